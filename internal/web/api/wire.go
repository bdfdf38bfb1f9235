package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/httpio"
)

// Handle keeps an operation under its path; huma calls it for each one that is declared.
func (a *API) Handle(op *huma.Operation, run func(huma.Context)) {
	a.ops = append(a.ops, op)
	pattern := Root + op.Path
	if a.paths[pattern] == nil {
		a.paths[pattern] = map[string]httpio.Handler{}
	}
	a.paths[pattern][op.Method] = func(ctx context.Context, r *httpio.Request) httpio.Response {
		if repeated(r.Query) {
			return problemResponse(newProblem(http.StatusBadRequest, "a query parameter is given twice"))
		}
		x := &exchange{op: op, ctx: context.WithValue(ctx, requestKey{}, r), r: r, resp: httpio.Response{Header: http.Header{}}}
		run(x)
		return x.resp
	}
}

// ServeHTTP is there for huma's interface alone: requests come through httpio.
func (a *API) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

// repeated reports whether a parameter has two values, of which one would be overlooked.
func repeated(query url.Values) bool {
	for _, values := range query {
		if len(values) > 1 {
			return true
		}
	}
	return false
}

// exchange shows huma a request that httpio has read whole, and gathers the answer. What
// httpio has dealt with already (TLS, deadlines, forms) is not there.
type exchange struct {
	op   *huma.Operation
	ctx  context.Context
	r    *httpio.Request
	resp httpio.Response
}

var _ huma.Context = (*exchange)(nil)

func (x *exchange) Operation() *huma.Operation      { return x.op }
func (x *exchange) Context() context.Context        { return x.ctx }
func (x *exchange) TLS() *tls.ConnectionState       { return nil }
func (x *exchange) Version() huma.ProtoVersion      { return huma.ProtoVersion{} }
func (x *exchange) Method() string                  { return x.r.Method }
func (x *exchange) Host() string                    { return "" }
func (x *exchange) RemoteAddr() string              { return x.r.Addr.String() }
func (x *exchange) URL() url.URL                    { return url.URL{Path: x.r.Path, RawQuery: x.r.Query.Encode()} }
func (x *exchange) Param(name string) string        { return x.r.PathValue(name) }
func (x *exchange) Query(name string) string        { return x.r.Query.Get(name) }
func (x *exchange) BodyReader() io.Reader           { return bytes.NewReader(x.r.Body) }
func (x *exchange) SetReadDeadline(time.Time) error { return nil }
func (x *exchange) SetStatus(code int)              { x.resp.Status = code }
func (x *exchange) Status() int                     { return x.resp.Status }
func (x *exchange) SetHeader(name, value string)    { x.resp.Header.Set(name, value) }
func (x *exchange) AppendHeader(name, value string) { x.resp.Header.Add(name, value) }
func (x *exchange) BodyWriter() io.Writer           { return x }

// Write adds to the answer's body.
func (x *exchange) Write(p []byte) (int, error) {
	x.resp.Body = append(x.resp.Body, p...)
	return len(p), nil
}

// Header hides Accept: there is one form of answers.
func (x *exchange) Header(name string) string {
	if name == "Accept" {
		return ""
	}
	return x.r.Header.Get(name)
}

func (x *exchange) EachHeader(do func(name, value string)) {
	for name, values := range x.r.Header {
		for _, v := range values {
			do(name, v)
		}
	}
}

func (x *exchange) GetMultipartForm() (*multipart.Form, error) { return nil, http.ErrNotMultipart }
