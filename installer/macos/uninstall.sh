#!/bin/sh
# Takes Bewust off this Mac. Run as root: sh "/Library/Application Support/Bewust/uninstall.sh" [--purge]
# Have device management remove the configuration profile first, so that browsers no longer ask for the agent.
# --purge also removes the authority, the counters and the settings.
set -u

if [ "$(id -u)" != 0 ]; then
  echo "bewust: run this as root" >&2
  exit 8
fi
case "${1-}" in
  "" | --purge) ;;
  *)
    echo "usage: uninstall.sh [--purge]" >&2
    exit 2
    ;;
esac

program=/Applications/Bewust.app/Contents/MacOS/bewust
if [ -x "$program" ]; then
  # Nothing is removed under what still runs.
  "$program" admin uninstall ${1:+"$1"} || exit $?
fi
rm -f /Library/LaunchDaemons/nl.bewust.service.plist /Library/LaunchAgents/nl.bewust.session.plist
rm -f /private/etc/paths.d/nl.bewust /private/etc/newsyslog.d/nl.bewust.conf
rm -rf /Applications/Bewust.app
pkgutil --forget nl.bewust.pkg >/dev/null 2>&1
rm -f "/Library/Application Support/Bewust/uninstall.sh"
rmdir "/Library/Application Support/Bewust" 2>/dev/null
exit 0
