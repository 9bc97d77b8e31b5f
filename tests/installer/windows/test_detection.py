"""What Intune runs asks for what the package and the service write."""

from pathlib import Path

from bewust.system import windows_service
from installer.windows import detection, package


def test_it_asks_for_what_the_package_and_the_service_write() -> None:
    script = detection.script("0.2.0")
    definition = (Path(package.__file__).parent / "bewust.wxs").read_text("utf-8")
    service = rf"SYSTEM\CurrentControlSet\Services\{windows_service.NAME}"
    assert f"OpenSubKey('{service}')" in script and f'Key="{service}" Name="ImagePath"' in definition
    assert "-ne 'Bewust'" in script and '<Product Id="$(var.ProductCode)" Name="Bewust"' in definition
    assert r'"\Bewust\$found\"' in script and '<Directory Id="HOME" Name="$(var.Version)" />' in definition
    assert "[version]'0.2.0'" in script and package.product_code("0.2.0") in script


def test_found_writes_and_ends_with_nothing_and_not_found_ends_with_one() -> None:
    lines = [line.strip() for line in detection.script("0.2.0").splitlines()]
    assert lines[lines.index("exit 0") - 1].startswith("Write-Output")
    assert lines[-1] == "exit 1" and lines.count("exit 0") == 1
    assert not [line for line in lines if "{{" in line or "\\\\" in line]
