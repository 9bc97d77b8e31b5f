"""`bewust doctor`: is what should be in force in force, and what is to be done where it is not.

Belongs here: looking, and what was found in words. Not here: printing, or mending anything: a doctor
changes nothing on the machine.
"""
