"""The verdict in plain words: one headline, and what of the two deciding claims led to it."""

from __future__ import annotations

from symdiff.result import Result

_HEADLINES = {
    "supported": "{model} is group-structured under {group}, as far as these measurements reach.",
    "not supported": "the measurements speak against a group structure of {model} under {group}.",
    "inconclusive": "the measurements leave open whether {model} is group-structured under {group}.",
    "collapsed": "the trained model carries too little to say anything about {model} under {group}.",
}

_LAW = {
    "supported": "The trained encoder follows a representation of the group that tells its elements apart",
    "not supported": "The trained encoder does not follow a representation of the group that tells its elements apart",
    "inconclusive": "Whether the trained encoder follows a representation that tells elements apart is not settled",
}

_CONTENT_AFFINE = {
    "supported": "at every noise level one and the same affine map explains the denoised image of every trajectory",
    "not supported": "at some noise levels no single affine map explains the denoised image of all trajectories: there "
    "the step belongs to the trajectory and not to the process",
    "inconclusive": "whether one affine map explains the denoised image of all trajectories is not settled",
}

_CONTENT_ACTION = {
    "supported": "the denoiser commutes with the action of the group at every noise level",
    "not supported": "at some noise levels the denoiser does not commute with the action of the group",
    "inconclusive": "whether the denoiser commutes with the action of the group is not settled",
}


def is_affine(result: Result) -> bool:
    """Whether the actions are the steps themselves, so that the content claim is about one affine map a step."""
    return "shared_affine_r2_denoised" in result.process and "equivariance" not in result.process


def headline(result: Result) -> str:
    """The answer after its first word, which is the verdict itself."""
    return _HEADLINES[result.verdict.structured].format(
        model=result.model, group=result.title or f"the {result.group} group"
    )


def explanation(result: Result) -> str:
    """What the claims on law and content say together; empty where one of them is missing."""
    if result.verdict.structured == "collapsed":
        return "Its small errors mean nothing: an encoder that maps everything to nearly one point has them too."
    claims = result.verdict.claims
    if "content" not in claims and "law" in claims:  # the actions were observed, and no process has a content
        return f"{_LAW[claims['law'].status]}."
    if not {"law", "content"} <= claims.keys():
        return ""
    law, content = claims["law"].status, claims["content"].status
    if "linear_parts" in (result.decomposition or {}):
        said = (_CONTENT_AFFINE if is_affine(result) else _CONTENT_ACTION)[content]
        return f"The steps themselves were linearised and decomposed, without an autoencoder: {said}."
    if result.process.get("absent"):
        return f"{_LAW[law]}. Of a process nothing can be said: the data are observed sequences."
    joint = "and" if law == content else "but"
    return f"{_LAW[law]}, {joint} {(_CONTENT_AFFINE if is_affine(result) else _CONTENT_ACTION)[content]}."


def sentence(text: str) -> str:
    """`text` with a capital letter at the start and a full stop at the end."""
    trimmed = text.strip()
    if not trimmed:
        return ""
    start = trimmed.split()[0].rstrip(".:,;")
    name = "_" in start or "." in start  # of a diagnostic or a file: its case is part of it
    capital = trimmed if name else trimmed[0].upper() + trimmed[1:]
    return capital if capital[-1] in ".!?" else f"{capital}."
