"""The works that a report cites, as text and as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Reference:
    """A published work.

    Attributes:
        citation: Authors and year, as cited in a text.
        kind: The type of the BibTeX entry.
        fields: The fields of the BibTeX entry.
    """

    citation: str
    kind: str
    fields: dict[str, str]


def _work(citation: str, kind: str, author: str, title: str, **fields: str) -> Reference:
    """Return a reference; ``fields`` are the BibTeX fields after author and title."""
    return Reference(citation, kind, {"author": author, "title": title, **fields})


#: The works by BibTeX key.
REFERENCES: dict[str, Reference] = {
    "goodfellow2013challenges": _work(
        "Goodfellow et al., 2013",
        "inproceedings",
        "Goodfellow, Ian J. and others",
        "Challenges in representation learning: A report on three machine learning contests",
        booktitle="Neural Information Processing (ICONIP)",
        pages="117--124",
        year="2013",
        doi="10.1007/978-3-642-42051-1_16",
    ),
    "barsoum2016training": _work(
        "Barsoum et al., 2016",
        "inproceedings",
        "Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou",
        "Training deep networks for facial expression recognition with crowd-sourced label "
        "distribution",
        booktitle="ACM International Conference on Multimodal Interaction (ICMI)",
        year="2016",
        doi="10.1145/2993148.2993165",
    ),
    "guo2017calibration": _work(
        "Guo et al., 2017",
        "inproceedings",
        "Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.",
        "On calibration of modern neural networks",
        booktitle="International Conference on Machine Learning (ICML)",
        year="2017",
    ),
    "menon2021longtail": _work(
        "Menon et al., 2021",
        "inproceedings",
        "Menon, Aditya Krishna and Jayasumana, Sadeep and Rawat, Ankit Singh and Jain, Himanshu "
        "and Veit, Andreas and Kumar, Sanjiv",
        "Long-tail learning via logit adjustment",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2021",
    ),
    "efron1993bootstrap": _work(
        "Efron and Tibshirani, 1993",
        "book",
        "Efron, Bradley and Tibshirani, Robert J.",
        "An introduction to the bootstrap",
        publisher="Chapman and Hall",
        year="1993",
    ),
    "mcnemar1947note": _work(
        "McNemar, 1947",
        "article",
        "McNemar, Quinn",
        "Note on the sampling error of the difference between correlated proportions or "
        "percentages",
        journal="Psychometrika",
        volume="12",
        number="2",
        pages="153--157",
        year="1947",
    ),
    "kingma2015adam": _work(
        "Kingma and Ba, 2015",
        "inproceedings",
        "Kingma, Diederik P. and Ba, Jimmy",
        "Adam: A method for stochastic optimization",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2015",
    ),
    "loshchilov2019decoupled": _work(
        "Loshchilov and Hutter, 2019",
        "inproceedings",
        "Loshchilov, Ilya and Hutter, Frank",
        "Decoupled weight decay regularization",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2019",
    ),
    "loshchilov2017sgdr": _work(
        "Loshchilov and Hutter, 2017",
        "inproceedings",
        "Loshchilov, Ilya and Hutter, Frank",
        "{SGDR}: Stochastic gradient descent with warm restarts",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2017",
    ),
    "lin2017focal": _work(
        "Lin et al., 2017",
        "inproceedings",
        "Lin, Tsung-Yi and Goyal, Priya and Girshick, Ross and He, Kaiming and Doll{\\'a}r, Piotr",
        "Focal loss for dense object detection",
        booktitle="IEEE International Conference on Computer Vision (ICCV)",
        year="2017",
    ),
    "szegedy2016rethinking": _work(
        "Szegedy et al., 2016",
        "inproceedings",
        "Szegedy, Christian and Vanhoucke, Vincent and Ioffe, Sergey and Shlens, Jonathon and "
        "Wojna, Zbigniew",
        "Rethinking the {Inception} architecture for computer vision",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
        year="2016",
    ),
    "zhang2018mixup": _work(
        "Zhang et al., 2018",
        "inproceedings",
        "Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David",
        "mixup: Beyond empirical risk minimization",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2018",
    ),
    "zhong2020erasing": _work(
        "Zhong et al., 2020",
        "inproceedings",
        "Zhong, Zhun and Zheng, Liang and Kang, Guoliang and Li, Shaozi and Yang, Yi",
        "Random erasing data augmentation",
        booktitle="AAAI Conference on Artificial Intelligence",
        year="2020",
    ),
    "cao2019learning": _work(
        "Cao et al., 2019",
        "inproceedings",
        "Cao, Kaidi and Wei, Colin and Gaidon, Adrien and Arechiga, Nikos and Ma, Tengyu",
        "Learning imbalanced datasets with label-distribution-aware margin loss",
        booktitle="Advances in Neural Information Processing Systems (NeurIPS)",
        year="2019",
    ),
    "chollet2015keras": _work(
        "Chollet et al., 2015",
        "misc",
        "Chollet, Fran{\\c{c}}ois and others",
        "Keras",
        howpublished="\\url{https://keras.io}",
        year="2015",
    ),
}

#: The BibTeX key of this program.
PROGRAM_KEY = "ferstudio"


def cite(*keys: str) -> str:
    """Return the citation of works in a text, such as "(Guo et al., 2017)"."""
    return f"({'; '.join(REFERENCES[key].citation for key in keys)})"


def bibtex(keys: Iterable[str]) -> str:
    """Return the BibTeX entry of this program, followed by one entry per work, sorted by key."""
    fields = {"title": "{FER Studio}"}
    version = _program_version()
    if version is not None:
        fields["version"] = version
    references = {PROGRAM_KEY: Reference("", "software", fields)} | {
        key: REFERENCES[key] for key in sorted(set(keys))
    }
    return "\n\n".join(_entry(key, reference) for key, reference in references.items()) + "\n"


def _entry(key: str, reference: Reference) -> str:
    fields = ",\n".join(f"  {name} = {{{value}}}" for name, value in reference.fields.items())
    return f"@{reference.kind}{{{key},\n{fields}\n}}"


def _program_version() -> str | None:
    """Return the version of the installed package; None for a checkout."""
    try:
        return metadata.version("fer-studio")
    except metadata.PackageNotFoundError:
        return None
