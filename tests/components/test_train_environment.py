import platform
from importlib.metadata import version

import pytest
import torch

from components.train.environment import environment, machine, processor

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9454
stepping\t: 1

processor\t: 1
model\t\t: 17
"""
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("cpuinfo", "kind"),
    [
        (X86, "AMD EPYC 9454, cpu family 25, model 17"),
        (ARM, "CPU implementer 0x41, CPU part 0xd40"),
        ("", platform.machine()),
    ],
)
def test_the_kind_of_a_processor_is_what_the_kernel_says(cpuinfo: str, kind: str) -> None:
    assert processor(cpuinfo) == kind


def test_libraries_and_threads_are_those_of_this_process() -> None:
    assert environment().items() >= {"python": platform.python_version(), "torch": version("torch")}.items()
    found = machine(torch.device("cpu"))
    assert found.keys() == {"processor", "instructions", "threads"}
    assert found["threads"] == str(torch.get_num_threads())
