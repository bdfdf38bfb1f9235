package httpio

// Route is one path and its handler, which answers every method itself.
type Route struct {
	Pattern string // of http.ServeMux, with neither method nor host, such as "/auth/v1/key"
	Handle  Handler
}
