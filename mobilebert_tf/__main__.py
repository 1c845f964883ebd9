"""`python -m mobilebert_tf COMMAND`, the same as `mobilebert-tf COMMAND`."""

from mobilebert_tf.cli import main

if __name__ == "__main__":
    main()
