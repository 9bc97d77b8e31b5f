"""What Intune runs asks for what the package writes."""

import re
from pathlib import Path

from installer.windows import detection, package


def test_it_asks_for_the_values_that_the_package_writes() -> None:
    script = detection.script("0.2.0")
    definition = (Path(package.__file__).parent / "bewust.wxs").read_text("utf-8")
    written = set(re.findall(r'<RegistryValue Root="HKLM" Key="Software\\Bewust" Name="(\w+)"', definition))
    assert set(re.findall(r"GetValue\('(\w+)'\)", script)) == written == {"Version", "Folder"}
    assert r"OpenSubKey('Software\Bewust')" in script
    assert "[version]'0.2.0'" in script and package.product_code("0.2.0") in script


def test_found_writes_and_ends_with_nothing_and_not_found_ends_with_one() -> None:
    lines = detection.script("0.2.0").splitlines()
    assert lines[-1] == "exit 0" and lines[-2].startswith("Write-Output")
    assert sum("exit 1" in line for line in lines) == 3
    assert "{{" not in detection.script("0.2.0")
