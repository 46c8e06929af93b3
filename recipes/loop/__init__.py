"""What every recipe has around its loop: options, errors in a line, processes, log of a run, stages."""
