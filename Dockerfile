# docker build --tag lesion-fusion . && docker run --rm --volume "$PWD/data:/home/lesion/project/data" lesion-fusion
FROM python:3.12.12-slim-bookworm
ENV DO_NOT_TRACK=true PYTHONUNBUFFERED=1 PATH=/home/lesion/.local/bin:$PATH
RUN useradd --create-home --uid 1000 lesion
USER 1000
WORKDIR /home/lesion/project
COPY --chown=1000 . .
RUN pip install --no-cache-dir --user --constraint requirements.lock --editable '.[viz,cluster]'
EXPOSE 4141 5000
CMD ["kedro", "run"]
