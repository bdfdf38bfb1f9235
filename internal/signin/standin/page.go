package standin

import (
	_ "embed"
	"html/template"
	"net/http"
	"slices"

	"symbolon/internal/signin/orcid"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// view is what the page shows. With a Problem and nobody to choose there is no form.
type view struct {
	Again       bool
	Researchers []Researcher
	Typed       string
	Problem     string
}

func (o *ORCID) page(w http.ResponseWriter, status int, v view) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, v) // whoever asked may have gone
}

// chosen sends the browser back as the researcher of the button, or of the iD typed in.
func (o *ORCID) chosen(w http.ResponseWriter, r *http.Request) {
	typed := r.PostFormValue("orcid")
	id, err := orcid.Parse(typed)
	if err != nil {
		o.page(w, http.StatusUnprocessableEntity, view{Researchers: Researchers, Typed: typed, Problem: "“" + typed + "”: " + err.Error() + "."})
		return
	}
	who := Researcher{ID: id}
	if i := slices.IndexFunc(Researchers, func(k Researcher) bool { return k.ID == id }); i >= 0 {
		who = Researchers[i]
	}
	q := r.URL.Query()
	back(w, r, "code", o.add(&grant{researcher: who, redirect: q.Get("redirect_uri"), scope: q.Get("scope"), nonce: q.Get("nonce"), at: o.Now()}))
}
