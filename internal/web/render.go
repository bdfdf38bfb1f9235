package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
	"sync"

	"symbolon/internal/httpio"
)

//go:embed templates static
var files embed.FS

// pages are the templates, one set for each file, so that each has its own "main".
var pages = sync.OnceValue(parsePages)

func parsePages() map[string]*template.Template {
	layout := template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	names, err := files.ReadDir("templates")
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	for _, f := range names {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name != "layout" && name != "parts" {
			all[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+f.Name()))
		}
	}
	return all
}

// view is what every page is made from.
type view struct {
	Title   string
	Section string // which entry of the menu is the present one
	Visitor *visitor
	Notice  string // what the last step came to
	Problem string // what was wrong with it
	Data    any
}

// policy lets pages load our own style and script and nothing else, post to us alone and
// stand in nobody's frame.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page renders a template. What it shows may be secret or personal: it is kept nowhere.
func (s *Site) page(status int, name string, v view) httpio.Response {
	var out bytes.Buffer
	if err := pages()[name].ExecuteTemplate(&out, "layout", v); err != nil {
		s.Log.Error("rendering a page failed", "page", name, "err", err)
		return httpio.Response{Status: http.StatusInternalServerError, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
			Body: []byte("The page could not be made. The reason is in the log.\n")}
	}
	return httpio.Response{Status: status, Body: out.Bytes(), Header: pageHeader()}
}

func pageHeader() http.Header {
	return http.Header{
		"Content-Type":               {"text/html; charset=utf-8"},
		"Cache-Control":              {"no-store"},
		"Content-Security-Policy":    {policy},
		"Referrer-Policy":            {"no-referrer"},
		"X-Frame-Options":            {"DENY"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
	}
}

// problem is a page that says what went wrong and what to do.
func (s *Site) problem(status int, title, text string) httpio.Response {
	return s.page(status, "problem", view{Title: title, Data: text})
}

// see sends the browser on after a form: 303, so that going back or reloading does not send
// it again.
func see(location string) httpio.Response {
	h := pageHeader()
	h.Set("Location", location)
	return httpio.Response{Status: http.StatusSeeOther, Header: h}
}

// asset is a file of ours that never changes under its name.
type asset struct {
	kind string
	body []byte
}

var assetKinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// assets are the files by the name that holds the first digits of their hash.
var assets = readAssets()

func readAssets() map[string]asset {
	all := map[string]asset{}
	names, err := files.ReadDir("static")
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	for _, f := range names {
		body, err := files.ReadFile("static/" + f.Name())
		if err != nil {
			panic(err)
		}
		all[hashed(f.Name(), body)] = asset{assetKinds[path.Ext(f.Name())], body}
	}
	return all
}

func hashed(name string, body []byte) string {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext
}

// assetPath is where a file is to be had.
func assetPath(name string) (string, error) {
	body, err := files.ReadFile("static/" + name)
	return root + "/static/" + hashed(name, body), err
}

func (s *Site) static(r *httpio.Request) httpio.Response {
	a, ok := assets[r.PathValue("file")]
	if !ok {
		return s.NotFound(r)
	}
	return httpio.Response{Status: http.StatusOK, Body: a.body, Header: http.Header{
		"Content-Type": {a.kind}, "Cache-Control": {"public, max-age=31536000, immutable"}}}
}
