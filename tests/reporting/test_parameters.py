from lesion_fusion.reporting.parameters import CohortDescription, ReportParameters

PARAMETERS = ReportParameters(
    cohort=CohortDescription(title="Clinic", patients=True, description=""),
    command="kedro run --env clinic --pipeline reporting",
    params={"pretrained": True, "synthetic.image_signal": 0},
)


def test_the_command_is_given_with_what_was_changed():
    overrides = "--params seed=7,pretrained=true,synthetic.image_signal=0"
    assert PARAMETERS.typed(7) == f"kedro run --env clinic --pipeline reporting {overrides}"
    assert PARAMETERS.typed(7, "other") == f"kedro run --env clinic --pipeline other {overrides}"
