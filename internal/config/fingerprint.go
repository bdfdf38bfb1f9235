package config

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
)

// own matches the keys that servers of one database may set differently, and names of files, which lie elsewhere on each.
var own = regexp.MustCompile(`^(listen|data|store|log_format|log_level|metrics_listen|trusted_proxies|.*_file): *(.*)$`)

// Fingerprint is the same for configurations that decide alike about tokens: whatever several servers of one database
// must share. It holds no secret and not even the content of a file; of a file it counts only whether one is named.
func (c *Config) Fingerprint() string {
	h := sha256.New()
	for line := range strings.Lines(string(c.Marshal())) {
		line = strings.TrimSpace(line)
		if m := own.FindStringSubmatch(line); m != nil {
			line = ""
			if strings.HasSuffix(m[1], "_file") && m[2] != `""` && m[1] != "master_key_file" {
				line = m[1]
			}
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			io.WriteString(h, line+"\n")
		}
	}
	io.WriteString(h, c.BaseURL)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
