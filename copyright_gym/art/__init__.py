"""From works of art to a pack; needs the extra `copyright-gym[art]`."""
