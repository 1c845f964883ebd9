"""tf-models: Google's own Keras MobileBERT, and its files written by TensorFlow's converter."""

TITLE = "tf-models"
ENVIRONMENT = "tf_models"
PACKAGES = ("tf-models-official==2.20.0", "tensorflow==2.20.0", "tensorflow-text==2.20.1", "tf-keras==2.20.1")
PYTHON = ((3, 10), (3, 12))
SHOWN = ("tf-models-official", "tensorflow")
VARIABLES = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
FILES = {"tf_models_float32.tflite": "float32", "tf_models_dynamic_int8.tflite": "dynamic int8"}
RUNTIME = "LiteRT"
TRAINS = True


def make(directory, order):
    """Write the files, each with one signature of the order's length."""
    import tempfile

    import numpy
    import tensorflow as tf

    model = _classifier(order["config"])
    # A newly built norm is the identity and would be folded away, which never happens to a trained one.
    generator = numpy.random.default_rng(0)
    for variable in model.trainable_variables:
        if len(variable.shape) < 2:
            variable.assign_add(0.05 * generator.standard_normal(variable.shape).astype("float32"))
    names = ("input_ids", "input_mask", "segment_ids")
    kinds = [tf.TensorSpec([1, order["length"]], tf.int32, name=name) for name in names]

    @tf.function(input_signature=kinds)
    def answer(input_ids, input_mask, segment_ids):
        return {"logits": model([input_ids, input_mask, segment_ids], training=False)}

    module = tf.Module()
    module.model, module.answer = model, answer
    with tempfile.TemporaryDirectory() as saved:
        tf.saved_model.save(module, saved, signatures={"serving_default": answer})
        for name, precision in FILES.items():
            converter = tf.lite.TFLiteConverter.from_saved_model(saved)
            if precision != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            (directory / name).write_bytes(converter.convert())


def stepper(order):
    """A function that takes one fine-tuning step and returns its loss."""
    import numpy
    import tensorflow as tf
    import tf_keras

    tf.config.threading.set_intra_op_parallelism_threads(order["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(order["threads"])
    model = _classifier(order["config"])
    weights = model.trainable_variables
    optimizer = tf_keras.optimizers.AdamW(learning_rate=3e-5, weight_decay=0.01)
    optimizer.build(weights)
    cross_entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    batch = {name: tf.constant(values) for name, values in numpy.load(order["batch"]).items()}

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            inputs = [batch["input_ids"], batch["input_mask"], batch["segment_ids"]]
            loss = cross_entropy(batch["label"], model(inputs, training=True))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, weights), 1.0)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss

    return lambda: float(step())


def _classifier(config):
    from official.nlp.modeling import models, networks

    encoder = networks.MobileBERTEncoder(
        word_vocab_size=config["vocab_size"],
        word_embed_size=config["embedding_size"],
        type_vocab_size=config["type_vocab_size"],
        max_sequence_length=config["max_position_embeddings"],
        num_blocks=config["num_hidden_layers"],
        hidden_size=config["hidden_size"],
        num_attention_heads=config["num_attention_heads"],
        intermediate_size=config["intermediate_size"],
        intermediate_act_fn=config["hidden_act"],
        hidden_dropout_prob=config["hidden_dropout_prob"],
        attention_probs_dropout_prob=config["attention_probs_dropout_prob"],
        intra_bottleneck_size=config["intra_bottleneck_size"],
        initializer_range=config["initializer_range"],
        use_bottleneck_attention=config["use_bottleneck_attention"],
        key_query_shared_bottleneck=config["key_query_shared_bottleneck"],
        num_feedforward_networks=config["num_feedforward_networks"],
        normalization_type=config["normalization_type"],
        classifier_activation=config["classifier_activation"],
    )
    return models.BertClassifier(network=encoder, num_classes=2)
