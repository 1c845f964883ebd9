"""Knowledge transfer from teacher to student: losses, strategies and stages. Paper §3.4-3.5."""
