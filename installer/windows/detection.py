"""How Intune, or any other device management, sees that this version of Bewust is on a workstation.

Belongs here: the script. The rule is Intune's: installed is who writes something and exits with 0.
"""

from bewust.system.windows_service import NAME
from installer.windows import package

_SCRIPT = r"""# Intune: Win32 app, detection rule, "Use a custom detection script", run as a 64-bit process.
# Says that Bewust {version} or a later one is installed, and that its service is the one that runs here.
# Product code of {version}: {code}
$wanted = [version]'{version}'
$base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
$service = $base.OpenSubKey('SYSTEM\CurrentControlSet\Services\{service}')
$products = $base.OpenSubKey('SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall')
if ($null -eq $service -or $null -eq $products) {{ exit 1 }}
$command = [string]$service.GetValue('ImagePath')
foreach ($name in $products.GetSubKeyNames()) {{
    $product = $products.OpenSubKey($name)
    if ($product.GetValue('DisplayName') -ne 'Bewust' -or -not $product.GetValue('WindowsInstaller')) {{ continue }}
    $found = [string]$product.GetValue('DisplayVersion')
    if ([version]$found -ge $wanted -and $command.Contains("\Bewust\$found\")) {{
        Write-Output "Bewust $found"
        exit 0
    }}
}}
exit 1
"""


def script(version: str) -> str:
    """Return the PowerShell script that finds `version` or a later one."""
    return _SCRIPT.format(version=version, code=package.product_code(version), service=NAME)
