"""Counts and sizes of Breast-Lesions-USG, from which the synthetic record and lesions are drawn.

Counted from the published clinical table and the published tumour masks: Pawłowska et al., "Curated benchmark dataset
for ultrasound based breast lesion analysis", Scientific Data 11, 148 (2024), doi:10.1038/s41597-024-02984-z (CC BY
4.0). 252 lesions: 154 benign, 98 malignant. Cells are worded as published.

Counts are (benign, malignant). Those of `BY_MARGIN` are (benign circumscribed, benign not, malignant circumscribed,
malignant not), which keeps the descriptors of one lesion as consistent as in the published table.
"""

Counts = dict[str, tuple[int, ...]]

MISSING = "not available"
NOT_APPLICABLE = "not applicable"
CIRCUMSCRIBED = "circumscribed"

# Age in years: mean and standard deviation of (benign, malignant), and the range of all.
AGE_MEAN = (48.4, 60.9)
AGE_SD = (15.4, 12.9)
AGE_RANGE = (18, 87)

# Equivalent diameter of the tumour mask in mm, and height over width of its box: median and the standard deviation of
# the logarithm, (benign, malignant). Depth of the image in mm, rounded, over both classes.
DIAMETER_MEDIAN = (8.2, 12.9)
DIAMETER_LOG_SD = (0.49, 0.46)
ASPECT_MEDIAN = (0.64, 0.80)
ASPECT_LOG_SD = (0.32, 0.31)
DEPTHS_MM = (25.0, 30.0, 35.0, 40.0, 45.0, 50.0)

# Shares of all images, or of benign lesions, with a transparent border and with masks of other structures.
FAN_SHARE = 31 / 256
OTHER_MASK_SHARE = 7 / 154


def _counts(text: str, strata: int = 2) -> Counts:
    """Return the counts in a text of cells: each cell with its count in each stratum."""
    cells = [cell.rsplit(" ", strata) for cell in text.split("; ")]
    return {name: tuple(map(int, counts)) for name, *counts in cells}


BY_CLASS: dict[str, Counts] = {
    "Tissue_composition": _counts(
        "heterogeneous: predominantly fat 45 32; heterogeneous: predominantly fibroglandular 36 19; "
        "homogeneous: fat 11 13; homogeneous: fibroglandular 36 6; lactating 1 0; "
        "lactating&heterogeneous: predominantly fat 1 0; lactating&heterogeneous: predominantly fibroglandular 1 0; "
        "lactating&homogeneous: fibroglandular 2 0"
    ),
    "Signs": _counts(
        "no 112 32; palpable 16 31; breast scar 2 0; breast scar&skin retraction 1 0; palpable&breast scar 2 0; "
        "nipple retraction 0 1; nipple retraction&palpable 0 2; peau d`orange&palpable 0 1; redness&warmth 1 0; "
        "redness&warmth&palpable 1 1; skin retraction&palpable 0 3; warmth&palpable 0 1"
    ),
    "Symptoms": _counts(
        "no 65 48; HRT/hormonal contraception 8 6; breast injury 1 0; family history of breast/ovarian cancer 10 7; "
        "family history of breast/ovarian cancer&HRT/hormonal contraception 2 1; nipple discharge 4 2; "
        "nipple discharge&family history of breast/ovarian cancer 1 0; personal history of breast cancer 1 1; "
        "personal history of breast cancer&family history of breast/ovarian cancer 1 0"
    ),
    "Calcifications": {"no": (145, 80), "in a mass": (7, 16), "indefinable": (1, 1), "intraductal": (1, 1)},
    "Skin_thickening": {"no": (145, 92), "yes": (9, 6)},
}

# The columns that are missing together. Signs: 58 % malignant where missing, 35 % where given.
MISSING_TOGETHER: Counts = {"": (74, 53)} | _counts(
    "Tissue_composition 2 3; Symptoms 31 6; Symptoms&Tissue_composition 2 0; Signs 1 0; Signs&Symptoms 3 0; "
    "Signs&Symptoms&Tissue_composition 12 24; Age 10 8; Age&Tissue_composition 5 1; Age&Symptoms 11 1; Age&Signs 1 0; "
    "Age&Signs&Symptoms 2 2"
)

MARGIN_KIND: Counts = {CIRCUMSCRIBED: (112, 3), "not circumscribed": (42, 95)}

# Margins that are not circumscribed.
MARGIN: Counts = _counts(
    "angular 2 1; angular&indistinct 3 20; angular&microlobulated 0 2; angular&microlobulated&indistinct 1 2; "
    "indistinct 25 27; microlobulated 4 6; microlobulated&indistinct 2 9; spiculated 0 5; spiculated&angular 0 2; "
    "spiculated&angular&indistinct 1 4; spiculated&angular&microlobulated&indistinct 0 4; spiculated&indistinct 2 9; "
    "spiculated&microlobulated&indistinct 2 4"
)

BY_MARGIN: dict[str, Counts] = {
    "Shape": {"irregular": (14, 34, 1, 91), "oval": (86, 6, 2, 3), "round": (12, 2, 0, 1)},
    "Echogenicity": _counts(
        "anechoic 13 2 0 0; complex cystic/solid 8 0 1 2; heterogeneous 24 13 1 19; hyperechoic 8 1 0 0; "
        "hypoechoic 48 25 1 74; isoechoic 11 1 0 0",
        4,
    ),
    "Posterior_features": _counts("no 84 24 2 49; shadowing 6 12 0 32; enhancement 21 5 1 9; combined 1 1 0 5", 4),
    "Halo": {"no": (108, 36, 3, 50), "yes": (4, 6, 0, 45)},
    "BIRADS": _counts("2 26 4 0 0; 3 36 1 0 0; 4a 40 3 1 0; 4b 9 21 2 14; 4c 0 8 0 41; 5 1 5 0 40", 4),
}

# The radiologist's reading, (BI-RADS 2 to 4a, BI-RADS 4b to 5): the commonest cells.
INTERPRETATION: Counts = _counts(
    "Fibroadenoma 14 0; Cyst filled with thick fluid 6 0; Dysplasia 5 0; "
    "Complex cyst / Non-simple cyst&Cyst filled with thick fluid&Fibroadenoma 4 0; "
    "Complex cyst / Non-simple cyst&Fibroadenoma 4 0; Dysplasia&Fibroadenoma 3 2; Complex cyst / Non-simple cyst 3 0; "
    "Cyst filled with thick fluid&Dysplasia&Fibroadenoma 3 0; Intramammary lymph node 3 0; Simple cyst 3 0; "
    "Suspicion of malignancy 0 61; Suspicion of malignancy&Fibroadenoma&Intraductal papilloma 6 21; "
    "Suspicion of malignancy&Dysplasia 0 13; "
    "Suspicion of malignancy&Dysplasia&Fibroadenoma&Intraductal papilloma 2 9; "
    "Suspicion of malignancy&Intraductal papilloma 0 7; Suspicion of malignancy&Fibroadenoma 0 5"
)

# How the outcome was established, by BI-RADS category: (2, 3, 4a and above).
VERIFICATION: Counts = {"confirmed by biopsy": (0, 12, 185), "confirmed by follow-up care": (30, 25, 0)}

# Histological type of the lesions verified by biopsy: the commonest cells.
DIAGNOSIS: Counts = _counts(
    "Fibroadenoma 29 0; Benign mammary dysplasia 26 0; Fibrosclerosis 10 0; Intraductal papilloma 7 0; "
    "Pseudoangiomatous stromal hyperplasia (PASH) 5 0; Mastitis 2 0; Phyllodes tumor 2 0; "
    "Usual ductal hyperplasia (UDH) 2 0; Invasive carcinoma of no special type (NST) 0 54; "
    "Invasive lobular carcinoma 0 12; "
    "Invasive carcinoma of no special type (NST)&Ductal carcinoma in situ (DCIS) 0 7; "
    "Ductal carcinoma in situ (DCIS) 0 4; Invasive micropapillary carcinoma 0 3; Mucinous carcinoma 0 3; "
    "Cribriform carcinoma 0 2"
)
