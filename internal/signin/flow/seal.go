package flow

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Seal puts values where only their holder's browser keeps them: into cookies and form
// fields, readable there, with an end, and refused when anything of them was changed.
type Seal struct {
	// MAC is keyed with what never leaves the installation.
	MAC func(parts ...[]byte) [32]byte
	Now func() time.Time
}

// ErrSeal is any text that this installation did not seal for the purpose, or whose time
// is over.
var ErrSeal = errors.New("not sealed here, or too long ago")

type sealed struct {
	Until int64           `json:"u"` // Unix seconds
	Value json.RawMessage `json:"v"`
}

// Close returns v, which must encode as JSON, as text that is good for life. Purpose keeps
// texts of different uses apart.
func (s Seal) Close(purpose string, v any, life time.Duration) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(sealed{s.Now().Add(life).Unix(), value})
	if err != nil {
		return "", err
	}
	mac := s.mac(purpose, body)
	return base64.RawURLEncoding.EncodeToString(body) + "." + base64.RawURLEncoding.EncodeToString(mac[:]), nil
}

// Open reads into v what Close made for the same purpose; anything else is ErrSeal.
func (s Seal) Open(purpose, text string, v any) error {
	b64, tag, _ := strings.Cut(text, ".")
	body, err := base64.RawURLEncoding.Strict().DecodeString(b64)
	if err != nil {
		return ErrSeal
	}
	given, err := base64.RawURLEncoding.Strict().DecodeString(tag)
	mac := s.mac(purpose, body)
	if err != nil || !hmac.Equal(given, mac[:]) {
		return ErrSeal
	}
	var in sealed
	if json.Unmarshal(body, &in) != nil || s.Now().Unix() >= in.Until {
		return ErrSeal
	}
	return json.Unmarshal(in.Value, v)
}

func (s Seal) mac(purpose string, body []byte) [32]byte {
	return s.MAC([]byte("seal"), []byte(purpose), body)
}
