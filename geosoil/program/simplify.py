"""Rules that make a program smaller without changing what it computes (up to rounding).

Backwards, from the outputs wanted: drop rows of matrices, support columns and whole branches that nobody reads.
Forwards: multiply neighbouring matrices, add parallel ones, send a linear step into the branches before it.
"""

from __future__ import annotations

import numpy as np

from geosoil.program.ops import (
    Affine,
    Clip,
    Convolve,
    Elementwise,
    MaxPool,
    Parallel,
    Program,
    RadialBasis,
    Select,
    Word,
)


def simplify(program: Program, n_features: int) -> tuple[Program, np.ndarray]:
    """Return an equal program on the features it needs, and their indices `(n_needed,)` in rising order.

    >>> swap, scale = Select(np.array([2, 0])), Affine(np.diag([2.0, 3.0]), np.zeros(2))
    >>> program, needed = simplify((swap, scale), 3)
    >>> needed.tolist(), program[0].weight.tolist()
    ([0, 2], [[0.0, 2.0], [3.0, 0.0]])
    """
    program = _merge(program, n_features)
    program, needed = _prune(program, np.arange(output_size(program, n_features)), n_features)
    return _merge(program, len(needed)), needed


def needed_inputs(program: Program, n_features: int) -> np.ndarray:
    """Return the indices of the features that the program's outputs depend on, `(n_needed,)`."""
    return simplify(program, n_features)[1]


def output_size(program: Program, n_features: int) -> int:
    """Return the number of outputs of a program on `n_features` features."""
    n = n_features
    for word in program:
        n = word_size(word, n)
    return n


def word_size(word: Word, n: int) -> int:
    """Return the number of outputs of a word on n features."""
    if isinstance(word, Affine):
        return len(word.weight)
    if isinstance(word, RadialBasis):
        return len(word.support)
    if isinstance(word, Select):
        return len(word.index)
    if isinstance(word, Parallel):
        sizes = [output_size(branch, n) for branch in word.branches]
        return sum(sizes) if word.how == "concat" else sizes[0]
    if isinstance(word, Convolve):
        return n // word.weight.shape[1] * len(word.weight)
    if isinstance(word, MaxPool):
        return n // word.channels // word.window * word.channels
    return n


# --- backwards: what is not wanted is not computed ---------------------------------------------------------------


def _prune(program: Program, wanted: np.ndarray, n_features: int) -> tuple[Program, np.ndarray]:
    """Return a program that gives just the outputs `wanted`, on the inputs it needs (rising), and those inputs."""
    sizes = [n_features]
    for word in program:
        sizes.append(word_size(word, sizes[-1]))
    words: list[Word] = []
    for word, n_in in zip(reversed(program), reversed(sizes[:-1]), strict=True):
        pruned, wanted = _prune_word(word, wanted, n_in)
        words[:0] = pruned
    needed, place = np.unique(wanted, return_inverse=True)
    if not np.array_equal(place, np.arange(len(needed))):
        if words and isinstance(words[0], Affine):
            weight = np.zeros((len(words[0].weight), len(needed)))
            np.add.at(weight.T, place, words[0].weight.T)
            words[0] = Affine(weight, words[0].bias)
        else:
            words.insert(0, Select(place))
    return tuple(words), needed


def _prune_word(word: Word, wanted: np.ndarray, n_in: int) -> tuple[list[Word], np.ndarray]:
    """Return words that give the wanted outputs of `word` from the inputs returned (in their order)."""
    everything = np.arange(n_in)
    if isinstance(word, Affine):
        weight, bias = word.weight[wanted], word.bias[wanted]
        read = np.flatnonzero(weight.any(axis=0))
        read = read if len(read) else np.array([0])  # a constant still has to know how many pixels there are
        return [Affine(weight[:, read], bias)], read
    if isinstance(word, Select):
        return [], word.index[wanted]
    if isinstance(word, Elementwise | Clip):
        return [word], wanted
    if isinstance(word, RadialBasis):
        return [RadialBasis(word.support[wanted], word.gamma)], everything
    if isinstance(word, Parallel):
        return _prune_parallel(word, wanted, n_in)
    every_output = np.arange(word_size(word, n_in))
    return ([word] if np.array_equal(wanted, every_output) else [word, Select(wanted)]), everything


def _prune_parallel(word: Parallel, wanted: np.ndarray, n_in: int) -> tuple[list[Word], np.ndarray]:
    if word.how == "sum":
        parts = [_prune(branch, wanted, n_in) for branch in word.branches]
        order = None
    else:
        edges = np.cumsum([0, *(output_size(branch, n_in) for branch in word.branches)])
        parts, places = [], []
        for branch, low, high in zip(word.branches, edges[:-1], edges[1:], strict=True):
            mine = np.flatnonzero((wanted >= low) & (wanted < high))
            if len(mine):
                parts.append(_prune(branch, wanted[mine] - low, n_in))
                places.append(mine)
        order = np.argsort(np.concatenate(places))
    needed = np.unique(np.concatenate([inputs for _, inputs in parts]))
    branches = tuple(
        branch if len(inputs) == len(needed) else (Select(np.searchsorted(needed, inputs)), *branch)
        for branch, inputs in parts
    )
    words: list[Word] = [Parallel(branches, word.how)]
    if order is not None and not np.array_equal(order, np.arange(len(order))):
        words.append(Select(order))
    return words, needed


# --- forwards: neighbouring linear steps become one ----------------------------------------------------------------


def _merge(program: Program, n_features: int) -> Program:
    words: list[Word] = []
    n = n_features
    for word in program:
        if isinstance(word, Parallel):
            word = Parallel(tuple(_merge(branch, n) for branch in word.branches), word.how)
            word = _one_affine(word) or word
        _append(words, word)
        n = word_size(word, n)
    return tuple(words)


def _append(words: list[Word], word: Word) -> None:
    """Add a word, joined with the last one where both are linear and the product is no more work."""
    last = words[-1] if words else None
    if isinstance(last, Affine) and isinstance(word, Affine):
        product = word.weight @ last.weight
        if np.count_nonzero(product) <= np.count_nonzero(word.weight) + np.count_nonzero(last.weight):
            words[-1] = Affine(product, word.weight @ last.bias + word.bias)
            return
    if isinstance(last, Affine) and isinstance(word, Select):
        words[-1] = Affine(last.weight[word.index], last.bias[word.index])
        return
    if isinstance(last, Select) and isinstance(word, Select):
        words[-1] = Select(last.index[word.index])
        return
    if isinstance(last, Parallel) and last.how == "concat" and isinstance(word, Affine):
        joined = _into_branches(last, word)
        if joined is not None:
            words[-1] = joined
            return
    words.append(word)


def _into_branches(parallel: Parallel, affine: Affine) -> Parallel | None:
    """Send a linear step into the branches before it, where that is no more work."""
    if not all(branch and isinstance(branch[-1], Affine | RadialBasis | Select) for branch in parallel.branches):
        return None
    sizes = [output_size(branch, 0) for branch in parallel.branches]
    edges = np.cumsum([0, *sizes])
    diagonal = affine.weight.shape[0] == affine.weight.shape[1] and not np.count_nonzero(
        affine.weight - np.diag(np.diag(affine.weight))
    )
    if not diagonal and len(affine.weight) > 1:
        return None
    branches = []
    for i, branch in enumerate(parallel.branches):
        part = slice(edges[i], edges[i + 1])
        if diagonal:
            step = Affine(affine.weight[part, part], affine.bias[part])
        else:
            step = Affine(affine.weight[:, part], affine.bias if i == 0 else np.zeros_like(affine.bias))
        words = list(branch)
        _append(words, step)
        branches.append(tuple(words))
    return Parallel(tuple(branches), "concat" if diagonal else "sum")


def _one_affine(parallel: Parallel) -> Affine | None:
    """Return the one matrix that a Parallel of single linear words is."""
    parts = []
    for branch in parallel.branches:
        if len(branch) != 1 or not isinstance(branch[0], Affine):
            return None
        parts.append(branch[0])
    if parallel.how == "sum":
        return Affine(np.sum([part.weight for part in parts], axis=0), np.sum([part.bias for part in parts], axis=0))
    return Affine(np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts]))
