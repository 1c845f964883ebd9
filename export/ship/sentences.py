"""Neutral sentences in several languages: the examples of contracts if the user names no table for them.

Contracts are shipped in apps, so they contain texts that a model was trained or scored with only on request.
"""

from __future__ import annotations

from mobilebert_tf.tokenization import Tokenizer

LANGUAGES = (
    # English is first because the first of two equally suitable languages is chosen.
    (
        "Returns the sum of all elements along the given axis.",
        "The train was late again, so we missed the first act.",
        "A warm, funny and unexpectedly moving film.",
        "Is there anything I can do about the noise?",
        "He paid $42.50 for two tickets (row 7, seats 11-12).",
        "I would not recommend this phone to anyone!",
        "Great.",
        "Please open the window before you leave the office tonight.",
        "The parcel arrived damaged, and nobody answers my letters.",
        "The team won its third match in a row on Sunday.",
        "Shares fell by two percent after the bank raised its rates.",
        "How do I reset the password of my account?",
    ),
    (
        "Поезд снова опоздал, и мы пропустили первый акт.",
        "Тёплый, смешной и неожиданно трогательный фильм.",
        "Можно ли что-нибудь сделать с этим шумом?",
        "Он заплатил 42 рубля за два билета в седьмом ряду.",
        "Я никому не посоветую этот телефон!",
        "Отлично.",
    ),
    (
        "火车又晚点了，所以我们错过了第一幕。",
        "这是一部温暖、有趣而感人的电影。",
        "这里的噪音有什么办法吗？",
        "他花了四十二元买了两张第七排的票。",
        "我不会向任何人推荐这部手机！",
        "很好。",
    ),
    (
        "रेलगाड़ी फिर देर से आई और हमारा पहला दृश्य छूट गया।",
        "यह एक मज़ेदार और दिल को छूने वाली फ़िल्म है।",
        "क्या इस शोर के बारे में कुछ किया जा सकता है?",
        "उसने दो टिकटों के लिए बयालीस रुपये दिए।",
        "मैं यह फ़ोन किसी को नहीं सुझाऊँगा!",
        "बहुत अच्छा।",
    ),
    (
        "รถไฟมาสายอีกแล้ว เราจึงพลาดฉากแรก",
        "เป็นภาพยนตร์ที่อบอุ่น สนุก และซาบซึ้ง",
        "มีวิธีแก้เสียงดังนี้ไหม",
        "เขาจ่ายเงินสี่สิบสองบาทเพื่อซื้อตั๋วสองใบ",
        "ฉันจะไม่แนะนำโทรศัพท์เครื่องนี้ให้ใคร!",
        "ดีมาก",
    ),
    (
        "تأخر القطار مرة أخرى ففاتنا الفصل الأول.",
        "فيلم دافئ ومضحك ومؤثر على غير المتوقع.",
        "هل يمكن فعل شيء بشأن هذه الضوضاء؟",
        "دفع اثنين وأربعين دينارا مقابل تذكرتين.",
        "لا أنصح أحدا بهذا الهاتف!",
        "رائع.",
    ),
)


def sentences(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The sentences of the language that suits a vocabulary best: fewest unknown pieces, then fewest continuations."""
    return min(LANGUAGES, key=lambda texts: _strangeness(texts, tokenizer))


def _strangeness(texts: tuple[str, ...], tokenizer: Tokenizer) -> tuple[float, float]:
    """Shares of [UNK] and of pieces that continue a word (##) among the pieces of some texts."""
    pieces = [tokenizer.vocab[id] for ids in tokenizer.encode_batch(list(texts)) for id in ids]
    unknown = sum(piece == "[UNK]" for piece in pieces)
    return unknown / max(1, len(pieces)), sum(piece.startswith("##") for piece in pieces) / max(1, len(pieces))
