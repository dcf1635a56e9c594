"""The review panel: a person sees, hears and decides what was found.

Built on models: `entries` and `session` know no Qt; `findings_model` and `strip_model` need no window. The
window and its views call the same pipeline, review and edits as the command, and have no logic of their own.
Needs PySide6 and pyqtgraph (the extra `panel`); nothing outside of this folder imports them.
"""
