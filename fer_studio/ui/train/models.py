"""Models: all models of this server, the selection of the default model, and the import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fer_core.bundle import (
    Bundle,
    damaged_bundles,
    default_bundle_name,
    list_bundles,
    set_default_bundle,
)
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.settings import Settings
from fer_studio.ui.messages import show_error
from fer_studio.ui.model_titles import model_title
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.feedback import run_action
from fer_studio.ui.train.model_import import collect_imported_model, show_import
from fer_studio.ui.train.model_links import show_model_links

#: Session key of the name of the most recently imported model, which the table initially selects.
_IMPORTED = "imported_model"


def show_models(settings: Settings) -> None:
    """Draw the section "Models"."""
    imported = collect_imported_model()
    if imported is not None:
        st.session_state[_IMPORTED] = imported
    bundles = list_bundles(settings)
    default_name = default_bundle_name(settings)
    for sentence in damaged_bundles(settings):
        show_error(sentence)
    if bundles:
        selected = _choose_model(bundles, default_name)
        if selected is None:
            st.caption("Click the left end of a row to see the classes and origin of the model.")
        else:
            _show_model(selected, settings, is_default=selected.name == default_name)
    else:
        st.info("There are no models yet. Train one, or import one below.", icon=":material/info:")
    show_import(settings)


def _choose_model(bundles: Sequence[Bundle], default_name: str | None) -> Bundle | None:
    """Draw the table; return the selected model, or None if no row is selected."""
    names = [bundle.name for bundle in bundles]
    imported_name = st.session_state.get(_IMPORTED)
    initial_rows = [names.index(imported_name)] if imported_name in names else []
    # Streamlit stores the selection as a row number. The key changes with the list of models,
    # because in a changed list the same number may refer to a different model. It also changes with
    # the most recently imported model, so that the new table initially selects it.
    key = hash((*names, *initial_rows)) & 0xFFFFFFFF  # not negative
    selection = st.dataframe(
        [_row(bundle, default_name) for bundle in bundles],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": initial_rows}},
        key=f"models_table_{key:x}",
        height=table_height(len(bundles), maximum=400),
        placeholder="-",
        alt=f"{len(bundles)} models with their classes and accuracy",
        column_config={
            "Model": st.column_config.TextColumn(width=220, help="★ marks the default model."),
            "Validation accuracy": st.column_config.NumberColumn(
                format="%.1f %%",
                help="Measured after the training. Not shown for imported models, or for models "
                "trained on the demo set, whose faces are drawn.",
            ),
            "Parameters": st.column_config.NumberColumn(format="localized"),
        },
    )
    rows = [row for row in selection["selection"]["rows"] if row < len(bundles)]
    return bundles[rows[0]] if rows else None


def _row(bundle: Bundle, default_name: str | None) -> dict[str, Any]:
    record = bundle.record
    accuracy = record.validation_accuracy
    return {
        "Model": model_title(bundle) + (" ★" if bundle.name == default_name else ""),
        "Classes": _classes_text(record.classes),
        "Validation accuracy": None if accuracy is None or record.is_demo else 100 * accuracy,
        "Origin": _origin(bundle),
        "Parameters": record.parameters,
    }


def _classes_text(classes: tuple[str, ...]) -> str:
    if classes in (EMOTIONS, EMOTIONS8):
        return "seven emotions" if classes == EMOTIONS else "eight emotions"
    return f"{len(classes)}: {', '.join(classes)}"


def _origin(bundle: Bundle) -> str:
    record = bundle.record
    if record.source is not None:
        return f"imported: {record.source.file}"
    return f"trained: {record.recipe}" if record.recipe is not None else "imported"


def _show_model(bundle: Bundle, settings: Settings, *, is_default: bool) -> None:
    record = bundle.record
    height, width, channels = record.input_shape
    with st.container(border=True):
        title = model_title(bundle)
        st.markdown(f"**{plain_text(title)}**" + (" · default model" if is_default else ""))
        st.caption(
            (f"{plain_text(bundle.name)}. " if title != bundle.name else "")
            + f"{len(record.classes)} classes: {plain_text(', '.join(record.classes))}. Input: "
            f"{width}x{height} pixels, {'gray' if channels == 1 else 'color'}."
        )
        source = record.source
        notes = () if source is None else (*source.assumptions, *source.changes)
        for note in notes:
            st.markdown(f"- {plain_text(note)}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Use as default",
                key="use_model_as_default",
                icon=":material/star:",
                disabled=is_default,
                on_click=run_action,
                args=(
                    lambda: set_default_bundle(bundle.name, settings),
                    f"{title} is now the default model.",
                ),
                help="All pages and commands use the default model unless you select another one.",
            )
            show_model_links(bundle.name)
