//! What may lower a priority: verdicts of scripts, files, processes and interfaces.
