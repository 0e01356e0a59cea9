//! What the host has to do with a request.
