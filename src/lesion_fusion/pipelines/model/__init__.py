"""The modular pipeline of one model, used once a model under a namespace `<family>.<model>`."""
