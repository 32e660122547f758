"""The commands of ``tunesmith``, a module for each group; each is a few lines.

What is heavy is imported by the command that needs it: ``tunesmith --help`` answers at once.
"""
