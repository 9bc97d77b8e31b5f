"""The .msi for Windows on x64, the templates of group policy, and what Intune looks for."""
