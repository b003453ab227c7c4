//! Forged ELF images.
