"""Knowledge transfer from teacher to student: losses, strategies, stages. Paper §3.4-3.5."""
