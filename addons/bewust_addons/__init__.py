"""The inspector: the only code in this project that imports mitmproxy."""
