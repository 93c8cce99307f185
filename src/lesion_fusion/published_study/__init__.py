"""The published study's protocol beside its leak-free counterpart: the same rows and models, four shortcuts between.

A fifth, drawn outlines, is priced where networks draw outlines too.

Aboulmira et al., "A Multimodal Approach to Breast-Lesion Classification Using Ultrasound and Patient Metadata", 2025.
"""
