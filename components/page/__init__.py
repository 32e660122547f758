"""How every report looks: colours of a light and of a dark page, figures, style sheet, and macros of its templates."""
