"""Fields as shaders: a network becomes GLSL (OpenGL ES 3.00, WebGL2), which the reader's own GPU draws."""
