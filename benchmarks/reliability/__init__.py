"""What happens to the line when the machine does not hold still, as figures: ``python -m benchmarks.reliability``.

Each experiment does it for real: processes are killed, servers are taken away, disks are full. All but that of the
promotions run a small real line, every stage of it, and hold the package that comes out in the end against that of a
line that nobody disturbed.
"""
