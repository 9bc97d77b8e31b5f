"""How Intune, or any other device management, sees that this version of Bewust is on a workstation.

Belongs here: the script. The rule is Intune's: installed is who writes something and exits with 0.
"""

from installer.windows import package

_SCRIPT = """\
# Intune: Win32 app, detection rule, "Use a custom detection script", run as a 64-bit process.
# Says that Bewust {version} or a later one is installed and in force. Product code of {version}: {code}
$wanted = [version]'{version}'
$base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
$key = $base.OpenSubKey('Software\\Bewust')
if ($null -eq $key) {{ exit 1 }}
$found = $key.GetValue('Version')
$folder = $key.GetValue('Folder')
if (-not $found -or -not $folder -or [version]$found -lt $wanted) {{ exit 1 }}
if (-not (Test-Path -LiteralPath (Join-Path $folder "$found\\python\\python.exe"))) {{ exit 1 }}
Write-Output "Bewust $found"
exit 0
"""


def script(version: str) -> str:
    """Return the PowerShell script that finds `version` or a later one."""
    return _SCRIPT.format(version=version, code=package.product_code(version))
