package oidc

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	fresh     = time.Hour        // how long metadata and keys are used before they are read anew
	firstWait = 2 * time.Second  // after the first failure
	maxWait   = 30 * time.Second // after many
)

// algorithms are those that an ID token may be signed with: none that needs a secret.
var algorithms = []string{gooidc.RS256, gooidc.ES256, gooidc.PS256, gooidc.EdDSA}

// metadata is what a provider says about itself.
type metadata struct {
	issuer      string // of tokens and answers
	tenants     bool   // Microsoft for everyone: issuer has {tenantid} in it
	endpoint    oauth2.Endpoint
	scopes      []string
	userinfo    string
	sendsIssuer bool // RFC 9207
	algorithms  []string
	keys        *keySet
}

// outcome remembers how asking for metadata went, so that nobody asks a dead provider
// again at once.
type outcome struct {
	err  error
	wait time.Duration // after err
	next time.Time     // when to ask again
}

// metadata returns what is known, asking the provider where nothing is, or nothing fresh.
// One caller asks; the others wait for what comes of it. While the provider cannot be
// asked again, what it said once goes on.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	if p.conf.Kind == kindGitHub {
		return gitHub, nil
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, unavailable("waiting to ask: %w", ctx.Err())
	}
	if p.now().Before(p.asked.next) {
		return p.known()
	}
	// Others wait for this, so it does not end when this one's browser goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxTime)
	defer cancel()
	m, err := p.discover(ctx)
	if err != nil {
		wait := min(max(2*p.asked.wait, firstWait), maxWait)
		p.asked = outcome{unavailable("reading its metadata: %s", short(err.Error())), wait, p.now().Add(wait)}
		return p.known()
	}
	if p.found != nil && p.found.keys.url == m.keys.url {
		m.keys = p.found.keys
	}
	p.found, p.asked = m, outcome{next: p.now().Add(fresh)}
	return m, nil
}

func (p *Provider) known() (*metadata, error) {
	if p.found != nil {
		return p.found, nil
	}
	return nil, p.asked.err
}

// discovered has what the library leaves out.
type discovered struct {
	Issuer      string   `json:"issuer"`
	JWKS        string   `json:"jwks_uri"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	Scopes      []string `json:"scopes_supported"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	SendsIssuer bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover reads the provider's metadata (OpenID Connect Discovery §4) and refuses what
// is not safe to use.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	m := &metadata{issuer: p.conf.Issuer}
	if prefix, ok := p.anyTenant(); ok {
		// Microsoft's one metadata of this name for all tenants names each of them.
		m.issuer, m.tenants = prefix+tenantID+"/v2.0", true
	}
	ctx = gooidc.InsecureIssuerURLContext(gooidc.ClientContext(ctx, p.client), m.issuer)
	found, err := gooidc.NewProvider(ctx, p.conf.Issuer)
	if err != nil {
		return nil, err
	}
	var d discovered
	if err := found.Claims(&d); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	if d.Issuer != m.issuer {
		return nil, fmt.Errorf("its issuer is %q, not %q", d.Issuer, m.issuer)
	}
	m.endpoint, m.userinfo, m.sendsIssuer = found.Endpoint(), found.UserInfoEndpoint(), d.SendsIssuer
	m.keys = &keySet{url: d.JWKS, client: p.client, now: p.now, turn: make(chan struct{}, 1)}
	if err := p.checkEndpoints(m); err != nil {
		return nil, err
	}
	m.scopes = p.scopes(d.Scopes)
	if m.algorithms, err = usable(d.Algorithms); err != nil {
		return nil, err
	}
	m.endpoint.AuthStyle, err = p.authStyle(d.AuthMethods)
	return m, err
}

// tenantID stands in Microsoft's metadata for the number of a tenant.
const tenantID = "{tenantid}"

// anyTenant returns the issuer's beginning where it is Microsoft's for several tenants.
func (p *Provider) anyTenant() (prefix string, ok bool) {
	for _, who := range []string{"common", "organizations"} {
		if before, ok := strings.CutSuffix(p.conf.Issuer, who+"/v2.0"); ok && p.conf.Kind == kindMicrosoft {
			return before, true
		}
	}
	return "", false
}

// checkEndpoints wants https, or the issuer's own host and port where that is not.
func (p *Provider) checkEndpoints(m *metadata) error {
	issuer, err := url.Parse(p.conf.Issuer)
	if err != nil {
		return err
	}
	for name, at := range map[string]string{"authorization_endpoint": m.endpoint.AuthURL, "token_endpoint": m.endpoint.TokenURL, "jwks_uri": m.keys.url, "userinfo_endpoint": m.userinfo} {
		u, err := url.Parse(at)
		switch {
		case at == "" && name == "userinfo_endpoint":
		case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
			u.Scheme != "https" && (u.Scheme != issuer.Scheme || hostPort(u) != hostPort(issuer)):
			return fmt.Errorf("its %s %q is no https address", name, at)
		}
	}
	return nil
}

// scopes asks for nothing that the provider does not have.
func (p *Provider) scopes(supported []string) []string {
	if p.isORCID() {
		return []string{gooidc.ScopeOpenID}
	}
	scopes := []string{gooidc.ScopeOpenID, "profile", "email"}
	return slices.DeleteFunc(scopes, func(s string) bool {
		return s != gooidc.ScopeOpenID && supported != nil && !slices.Contains(supported, s)
	})
}

// usable returns those of the provider's algorithms that are allowed here. A provider
// that names none has the one that all must have (OpenID Connect Core §15.1).
func usable(advertised []string) ([]string, error) {
	if advertised == nil {
		return []string{gooidc.RS256}, nil
	}
	var both []string
	for _, alg := range algorithms {
		if slices.Contains(advertised, alg) {
			both = append(both, alg)
		}
	}
	if both == nil {
		return nil, fmt.Errorf("it signs ID tokens with none of %s", strings.Join(algorithms, ", "))
	}
	return both, nil
}

// authStyle says how the client shows its secret. It is never tried out: a code works once.
func (p *Provider) authStyle(methods []string) (oauth2.AuthStyle, error) {
	const basic, post = "client_secret_basic", "client_secret_post"
	switch {
	case p.isORCID() || slices.Contains(methods, post) && !slices.Contains(methods, basic):
		return oauth2.AuthStyleInParams, nil
	case methods == nil || slices.Contains(methods, basic): // which is the default
		return oauth2.AuthStyleInHeader, nil
	}
	return 0, fmt.Errorf("it takes the client's secret neither by %s nor by %s", basic, post)
}

// Reach reads the provider's metadata, as the first sign-in would.
func (p *Provider) Reach(ctx context.Context) error {
	_, err := p.metadata(ctx)
	return err
}
