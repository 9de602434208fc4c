#!/usr/bin/env python3
# Writes the manual page to standard output, its options taken from what the server itself prints with -h, so that the
# page and the program cannot differ. Usage: man.py SERVER
import re
import subprocess
import sys

HEAD = r""".TH MEMCACHED 1 "" "{version}" "User Commands"
.SH NAME
memcached, swiftcached \- cache server that speaks the memcached protocol
.SH SYNOPSIS
.B memcached
.RI [ option ]...
.SH DESCRIPTION
.B swiftcached
keeps items in memory, each with a key of up to 250 bytes, a value and a time to live, and evicts the least useful ones
when its memory is full. It takes memcached's place: the same options, protocols, statistics and signals.
.PP
Whoever can connect can read, write and flush everything. Let it listen where only its clients are.
"""

TAIL = r""".SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Stop at once, with exit status 0.
.TP
.B SIGUSR1
Stop in good order, and say so on standard error.
.TP
.B SIGHUP
Read again what can be read again; ends nothing.
.SH EXIT STATUS
0 after a stop by signal; 1 for a bad value of an option; 64 for options that contradict each other; 67 when the user of
\-u does not exist; 71 when listening, limits or changing the user failed.
.SH FILES
.TP
.I /etc/memcached.conf
Options of the Debian service, one a line.
.SH ENVIRONMENT
.TP
.B MEMCACHED_PORT_FILENAME
Where to write the ports that were opened.
.TP
.BR NOTIFY_SOCKET ", " LISTEN_FDS ", " LISTEN_PID
As set by
.BR systemd (1):
whom to tell when serving begins, and listeners opened beforehand.
.SH SEE ALSO
.BR memcstat (1),
.BR systemd.service (5)
"""


def escaped(text):
    return text.replace("\\", "\\\\").replace("-", "\\-")


def main():
    server = sys.argv[1]
    usage = subprocess.run([server, "-h"], check=True, capture_output=True, text=True).stdout.splitlines()
    page = HEAD.format(version=usage[0])
    for line in usage[3:]:
        heading = re.fullmatch(r"(\S.*):|(Extended options.*)", line)
        option = re.fullmatch(r"  (\S.*?)(?:  +(\S.*))?", line) or re.fullmatch(r" {6}(--\S+?)(?:  +(\S.*))?", line)
        if heading:
            page += f'.SH "{(heading.group(1) or heading.group(2)).upper() if heading.group(1) else "EXTENDED OPTIONS"}"\n'
            page += "" if heading.group(1) else escaped(line) + "\n"
        elif option and not line.startswith(" " * 32):
            page += f".TP\n.B {escaped(option.group(1))}\n" + (escaped(option.group(2)) + "\n" if option.group(2) else "")
        elif line.strip():
            page += escaped(line.strip()) + "\n"
    sys.stdout.write(page + TAIL)


main()
