//go:build e2e

package load

import (
	"encoding/json"
	"net/http"
)

// Pair is two tokens of a service `samples` that speaks sesar with json_path /api.
type Pair struct{ Access, Refresh string }

// NewPair gets a pair for an API key.
func NewPair(c *Conn, key string) (p Pair, err error) {
	text, err := c.Expect(http.StatusOK, Post("/api/auth/token/", "application/json", "", "Authorization: Bearer "+key))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}

// Revoke ends the pair.
func (p Pair) Revoke(c *Conn) error {
	_, err := c.Expect(http.StatusOK, Post("/api/auth/token/blacklist/", "application/json", `{"refresh":"`+p.Refresh+`"}`))
	return err
}

// Ask is the text of the question whether a request with the access token may go on.
func (p Pair) Ask() []byte {
	return Get("/symbolon/verify/samples", "Authorization: Bearer "+p.Access)
}

// APIKey makes an account and an API key of it, by commands beside the server.
func (s *Server) APIKey(account string) (string, error) {
	if _, err := s.Command("account", "add", account); err != nil {
		return "", err
	}
	text, err := s.Command("apikey", "create", "--account", account, "--name", "bench")
	var made struct{ Key string }
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	return made.Key, err
}
