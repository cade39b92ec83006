"""What sam build left fits what sam deploy asks Lambda for."""

import pytest

from architecture import mismatch
from local import ROOT

BUILT = ROOT / ".aws-sam" / "build"


@pytest.mark.parametrize(("function", "output"), [
    ("DetectorFunction", "DetectorFunctionName"), ("AlerterFunction", "AlerterFunctionName"),
])
def test_a_built_binary_is_of_the_architecture_of_its_function(stack, function, output):
    configuration = stack.client("lambda").get_function_configuration(FunctionName=stack.outputs[output])
    [architecture] = configuration["Architectures"]
    assert mismatch((BUILT / function / "bootstrap").read_bytes(), architecture) is None
