package edi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

// wire is what a token says beyond what the engine asks. It is read-only: the engine
// keeps it in its cache.
type wire struct {
	cn         string
	idpName    string
	idpUID     string
	principals []string // sorted
	uids       []string // whom a legacy token beside it may name
	known      map[string]json.RawMessage
	extra      httpio.Object // claims we do not know, in their order
}

// plainClaims are those that are copied as they stand when a token is refreshed.
var plainClaims = []string{"email", "avatarUrl", "links", "isEmailEnabled", "isEmailVerified", "idpCommonName", "idpName", "idpUid"}

// madeClaims are those that are written anew.
var madeClaims = []string{"sub", "cn", "principals", "iss", "hd", "iat", "nbf", "exp", "gid", "cap", "status"}

// claimNames may not come in another letter case; aud may not come at all.
var claimNames = slices.Concat(plainClaims, madeClaims, []string{"aud"})

// Read checks presence and types of the claims, that there is no audience, and that
// issuer and domain are ours. Claims we do not know are kept.
func (f *format) Read(key token.Kind, kid string, payload []byte) (token.Claims, error) {
	if key != token.Access {
		return token.Claims{}, token.Refuse(token.WrongKind, "an edi-token is signed with an access key, not a %s key", key)
	}
	o, err := strictjson.ParseObject(payload, strictjson.Limits{Bytes: jws.MaxToken})
	if err == nil {
		err = o.OddCase(claimNames...)
	}
	if err != nil {
		return token.Claims{}, token.Refuse(token.Malformed, "%w: %w", badPayload, err)
	}
	r := &reader{object: o}
	c := f.claims(r, kid)
	if r.err != nil {
		return token.Claims{}, &token.Error{Code: token.Malformed, Err: r.err}
	}
	return c, nil
}

// claims reads in the order in which the old server complains.
func (f *format) claims(r *reader, kid string) token.Claims {
	c := token.Claims{Kind: token.Access}
	c.IssuedAt = r.instant("iat", badIAT, noIAT)
	c.NotBefore = r.instant("nbf", badNBF, "")
	c.Expires = r.instant("exp", badEXP, noEXP)
	r.same("iss", f.issuer)
	r.same("hd", f.edi.HD)
	if _, ok := r.object.Get("aud"); ok {
		r.fail(badAudience)
	}
	c.Subject = r.subject()
	c.Grant, c.Cap = r.grant(kid)
	c.Wire = r.wire()
	return c
}

// reader reads claims and keeps the first fault.
type reader struct {
	object *strictjson.Object
	err    error
}

func (r *reader) fail(err reason) {
	if r.err == nil {
		r.err = err
	}
}

// maxExact is the largest integer that every JSON reader keeps exactly.
const maxExact = 1 << 53

func integer(v any) (int64, bool) {
	number, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	return n, err == nil && -maxExact <= n && n <= maxExact
}

// instant reads whole seconds; an absent claim is the fault missing, or none when that is empty.
func (r *reader) instant(name string, wrong, missing reason) time.Time {
	v, ok := r.object.Get(name)
	if !ok {
		if missing != "" {
			r.fail(missing)
		}
		return time.Time{}
	}
	n, ok := integer(v)
	if !ok {
		r.fail(wrong)
	}
	return time.Unix(n, 0)
}

func (r *reader) same(name, want string) {
	if v, _ := r.object.Get(name); v != want {
		r.fail(badIssuer)
	}
}

func (r *reader) subject() string {
	v, ok := r.object.Get("sub")
	if !ok {
		r.fail(noSubject)
	}
	s, ok := v.(string)
	if !ok || s == "" {
		r.fail(badSubject)
	}
	return s
}

// grant reads our own two claims, which stand in the claims or in kid, never in both.
func (r *reader) grant(kid string) (int64, time.Time) {
	gid, hasGID := r.object.Get("gid")
	end, hasCap := r.object.Get("cap")
	text, plain := strings.CutPrefix(kid, "s1.")
	if plain {
		id, till, _ := strings.Cut(text, ".")
		if hasGID || hasCap {
			r.fail(noGrant)
		}
		gid, end, hasCap = json.Number(id), json.Number(till), till != "0"
	}
	g, ok := integer(gid)
	if !ok || g <= 0 {
		r.fail(noGrant)
	}
	if !hasCap {
		return g, time.Time{}
	}
	n, ok := integer(end)
	if !ok || n <= 0 {
		r.fail(noGrant)
	}
	return g, time.Unix(n, 0)
}

func (r *reader) wire() *wire {
	w := &wire{cn: r.text("cn"), idpName: r.text("idpName"), idpUID: r.text("idpUid"), known: map[string]json.RawMessage{}}
	for _, name := range []string{"email", "avatarUrl", "idpCommonName"} {
		r.text(name)
	}
	for _, m := range r.object.Members {
		switch {
		case slices.Contains(plainClaims, m.Name):
			w.known[m.Name] = json.RawMessage(m.Raw)
		case !slices.Contains(madeClaims, m.Name):
			w.extra = append(w.extra, member(m.Name, json.RawMessage(m.Raw)))
		}
	}
	w.principals = r.principals()
	w.uids = r.uids(w.idpUID)
	return w
}

// text reads a claim that may be absent or null.
func (r *reader) text(name string) string {
	v, _ := r.object.Get(name)
	return r.orNull(v)
}

func (r *reader) orNull(v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		r.fail(badClaim)
	}
	return s
}

func (r *reader) list(name string) []any {
	v, ok := r.object.Get(name)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		r.fail(badClaim)
	}
	return list
}

func (r *reader) principals() []string {
	ids := []string{}
	for _, v := range r.list("principals") {
		ids = append(ids, r.orNull(v))
	}
	slices.Sort(ids)
	return ids
}

// uids lists the token's own identity and its links'; one without any is a group's or
// Public's, beside which only the legacy token of nobody belongs.
func (r *reader) uids(own string) []string {
	var uids []string
	if own != "" {
		uids = append(uids, own)
	}
	for _, v := range r.list("links") {
		link, ok := v.(*strictjson.Object)
		if !ok {
			r.fail(badClaim)
			continue
		}
		v, _ := link.Get("idpUid")
		if uid := r.orNull(v); uid != "" {
			uids = append(uids, uid)
		}
	}
	if len(uids) == 0 {
		return []string{publicUID}
	}
	return uids
}
