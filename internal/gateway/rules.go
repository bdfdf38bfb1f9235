package gateway

import (
	"slices"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// rule is who may make some requests.
type rule struct {
	path      string
	methods   []string // GET stands for HEAD; nil is all
	anonymous bool
	groups    []string
	scope     []string
	remaining time.Duration
}

func newRules(list []config.Rule) []rule {
	var all []rule
	for _, r := range list {
		all = append(all, rule{path: r.Path, methods: r.Methods, anonymous: r.Who == "anonymous",
			groups: r.Groups, scope: r.Scope, remaining: time.Duration(r.Remaining)})
	}
	return all
}

// rule returns the first that fits; where none does, any good token will do. Where a rule depends on what
// is not known, the path or the method, nothing is decided.
func (g *Gate) rule(method, path string) (rule, error) {
	for _, r := range g.rules {
		switch {
		case path == "":
			return rule{}, token.Refuse(token.Forbidden, "the service has rules, and nobody who is trusted said which path is asked for")
		case !config.Covers(r.path, path):
		case r.methods == nil:
			return r, nil
		case method == "":
			return rule{}, token.Refuse(token.Forbidden, "the rule for %s has methods, and nobody who is trusted said which one is asked for", r.path)
		case slices.Contains(r.methods, method):
			return r, nil
		}
	}
	return rule{}, nil
}

// check refuses a holder that the rule is not for. A token that ends too early counts as expired: a new
// one is what helps.
func (r rule) check(h *token.Holder, now time.Time) error {
	switch {
	case len(r.groups) > 0 && !slices.ContainsFunc(r.groups, func(name string) bool { return inGroup(h.Subject, name) }):
		return token.Refuse(token.Forbidden, "%s is for members of %q only", r.path, r.groups)
	case !hasWords(h.Scope, r.scope):
		return token.Refuse(token.Forbidden, "%s asks for the scope %q", r.path, r.scope)
	case r.remaining > 0 && !h.Claims.Expires.IsZero() && h.Claims.Expires.Sub(now) < r.remaining:
		return token.Refuse(token.Expired, "%s asks for %v of life, and the token ends at %s",
			r.path, r.remaining, h.Claims.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// inGroup counts whoever acts for a group as that group alone.
func inGroup(sub token.Subject, name string) bool {
	if sub.Acting != nil {
		return sub.Acting.Name == name
	}
	return sub.InGroup(name)
}

func hasWords(scope string, words []string) bool {
	have := strings.Fields(scope)
	return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(have, w) })
}
