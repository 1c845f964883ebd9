"""A network in float64, written from its definition: the reference for rewrites."""

import math

import numpy as np


def logits(network, ids, mask, segments):
    """Logits [C], or the sentence vector [H], of one sequence of T ids, mask and segments."""
    x = embed(network.embeddings, ids, segments)
    for block in network.blocks:
        x = run_block(block, x, mask, network, segments)
    head = network.head
    if head.reads == "first_token" or network.blocks[-1].mean_only:
        read = x
    else:
        read = mean(x, mask, segments, network)
    read = read if head.unit is None else read * head.unit
    if head.pooler:
        read = np.tanh(dense(head.pooler, read))
    if head.reads == "pair":
        u, v = read
        read = np.concatenate([u, v, np.abs(u - v), u * v])
    else:
        read = read[0]
    return dense(head.dense, read) if head.dense else read / np.sqrt(np.square(read).sum())


def embed(embeddings, ids, segments):
    words = embeddings.word_table[ids]
    if embeddings.trigram:
        nothing = np.zeros_like(words[:1])
        following = np.concatenate([words[1:], nothing])
        preceding = np.concatenate([nothing, words[:-1]])
        words = np.concatenate([following, words, preceding], axis=1)
    if embeddings.projection:
        words = dense(embeddings.projection, words)
    if embeddings.joint_table is not None:
        joint = [embeddings.joint_table[segment, place] for place, segment in enumerate(segments)]
        return normalize(embeddings.norm, words + np.array(joint))
    positions = embeddings.position_table[np.arange(len(ids))]
    return normalize(embeddings.norm, words + embeddings.type_table[segments] + positions)


def run_block(block, x, mask, network, segments=None):
    def product(name, rows):
        for joint in block.joints:
            if name in joint.names:
                ends = np.cumsum([block.dense(one).bias.size for one in joint.names])
                return np.split(dense(joint.dense, rows), ends[:-1], axis=1)[joint.names.index(name)]
        return dense(block.dense(name), rows)

    inner, query_key, value = x, x, x
    if block.input_bottleneck:
        inner = normalize(block.input_bottleneck.norm, product("input_bottleneck", x))
    if block.narrow_attention:
        query_key, value = inner, inner
    elif block.query_key_bottleneck:
        query_key = normalize(block.query_key_bottleneck.norm, product("query_key_bottleneck", x))
    rows = slice(0, 1) if block.first_token_only else slice(None)
    query = product("query", query_key) * block.query_scale
    key, value = product("key", query_key), product("value", value)
    context = []
    for one in np.split(np.arange(query.shape[1]), network.heads):
        scores = np.array([[q @ k for k in key[:, one]] for q in query[rows, one]])
        if network.mask.mode == "replace":
            scores = scores * mask
        scores = scores + (1 - mask) * network.mask.constant
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        context.append(shares / shares.sum(axis=1, keepdims=True) @ value[:, one])
    inner = residual(block.attention_output, np.concatenate(context, axis=1), inner[rows])
    for number, feedforward in enumerate(block.feedforwards, 1):
        hidden = activate(network.activation, dense(feedforward.intermediate, inner))
        if block.mean_only and number == len(block.feedforwards):
            hidden, inner, x = (mean(rows, mask, segments, network) for rows in (hidden, inner, x))
        inner = residual(feedforward.output, hidden, inner)
    return residual(block.output_bottleneck, inner, x[rows]) if block.output_bottleneck else inner


def mean(x, mask, segments, network):
    """The mean of the real tokens' rows, [1, C]; if the head reads a pair, one mean for each text, [2, C]."""
    real, segments = np.asarray(mask) == 1, np.asarray(segments)
    chosen = [real & (segments == 0), real & (segments == 1)] if network.head.reads == "pair" else [real]
    return np.array([x[rows if rows.any() else real].mean(axis=0) for rows in chosen])


def residual(end, x, incoming):
    scale = 1.0 if end.scale is None else end.scale
    return normalize(end.norm, dense(end.dense, x) + scale * incoming)


def dense(layer, x):
    x = x if layer.before is None else x * layer.before
    x = x @ layer.kernel + layer.bias
    return x if layer.after is None else x * layer.after


def normalize(norm, x):
    if norm is None:
        return x
    if norm.epsilon is not None:
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + norm.epsilon)
    return norm.gamma * x + norm.beta


def activate(name, x):
    if name == "relu":
        return np.maximum(x, 0)
    if name == "relu6":
        return np.clip(x, 0, 6)
    if name == "gelu":
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
