/* What libraries of graphics look like: small structures by value, both ways. */
typedef struct { unsigned char r, g, b, a; } color;
typedef struct { float x, y; } vector;
typedef struct { float x, y, width, height; } rectangle;
typedef struct { vector target, offset; float rotation, zoom; } camera;

color fade(color c, float alpha) {
    return (color){ c.r, c.g, c.b, (unsigned char)(c.a * alpha) };
}

vector between(vector a, vector b, float t) {
    return (vector){ a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t };
}

_Bool overlap(rectangle a, rectangle b) {
    return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

camera zoomed(camera c, float zoom) {
    c.zoom = zoom;
    return c;
}
