package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const masterSize = 32

// Failures that a caller acts on.
var (
	ErrNoMaster   = errors.New("no master key")
	ErrUnopenable = errors.New("the key cannot be opened with this master key")
)

// Master seals and opens the stored keys. The zero value is no master key; printing one shows nothing of it.
type Master struct {
	key func() []byte // a closure, because fmt follows pointers
}

// NewMaster copies 32 bytes, which must be random; another length is an error.
func NewMaster(key []byte) (Master, error) {
	if len(key) != masterSize {
		return Master{}, fmt.Errorf("the master key has %d bytes, it must have %d", len(key), masterSize)
	}
	own := [masterSize]byte(key)
	return Master{key: func() []byte { return own[:] }}, nil
}

// LoadMaster reads the master key as base64 (RFC 4648 §4) from env, the value of SYMBOLON_MASTER_KEY, or when that is
// empty from a file that only its owner can read. Neither given, or no such file, is ErrNoMaster.
func LoadMaster(env, file string) (Master, error) {
	if env != "" {
		m, err := decodeMaster(env)
		if err != nil {
			return Master{}, fmt.Errorf("reading the master key from SYMBOLON_MASTER_KEY: %w", err)
		}
		return m, nil
	}
	if file == "" {
		return Master{}, fmt.Errorf("%w: name the file that holds it, or set SYMBOLON_MASTER_KEY", ErrNoMaster)
	}
	m, err := readMaster(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Master{}, fmt.Errorf("%w: the file %s does not exist; put the key that the data was made with there, or set SYMBOLON_MASTER_KEY", ErrNoMaster, file)
	}
	if err != nil {
		return Master{}, fmt.Errorf("reading the master key from %s: %w", file, err)
	}
	return m, nil
}

func readMaster(file string) (Master, error) {
	f, err := os.Open(file)
	if err != nil {
		return Master{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Master{}, err
	}
	if !info.Mode().IsRegular() {
		return Master{}, errors.New("it is not a regular file")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Master{}, fmt.Errorf("its mode is %04o, so others may read it; run: chmod 600 %s", mode, file)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return Master{}, err
	}
	return decodeMaster(string(text))
}

func decodeMaster(text string) (Master, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil {
		return Master{}, errors.New("it is not base64; 32 random bytes in base64 are expected, as from: openssl rand -base64 32")
	}
	return NewMaster(key)
}

// NewMasterFile makes a master key and writes it to a new file of mode 0600, durable when it returns. A file that is
// there is never overwritten: the error is then fs.ErrExist.
func NewMasterFile(path string) (Master, error) {
	key := make([]byte, masterSize)
	rand.Read(key)
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	if err := writeNew(path, text); err != nil {
		return Master{}, fmt.Errorf("writing a new master key: %w", err)
	}
	return NewMaster(key)
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(path)))
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFolder makes the name of a new file durable; syncing the file alone does not.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Name tells master keys apart and nothing else about them.
func (m Master) Name() string {
	mac := hmac.New(sha256.New, m.key())
	mac.Write([]byte("symbolon master key name v1"))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

// Masters returns the master keys that are there now: one, or while they change the old one and the new one.
type Masters func() ([]Master, error)

// readMasters takes in the master keys that are there now.
func (k *Keys) readMasters() error {
	masters, err := k.masters()
	if err != nil {
		return err
	}
	var all []sealer
	for _, m := range masters {
		s, err := newSealer(m, k.installation)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	if all == nil {
		return ErrNoMaster
	}
	k.sealers.Store(&all)
	return nil
}

// unseal tries the master keys that were there, then those that are there now.
func (k *Keys) unseal(key *Key) ([]byte, error) {
	if plain, err := openAny(*k.sealers.Load(), key); err == nil {
		return plain, nil
	}
	if err := k.readMasters(); err != nil {
		return nil, err
	}
	return openAny(*k.sealers.Load(), key)
}

func openAny(sealers []sealer, key *Key) ([]byte, error) {
	for _, s := range sealers {
		if plain, err := s.open(key); err == nil {
			return plain, nil
		}
	}
	return nil, ErrUnopenable
}

// sealer is the one that the stored keys are under, the first where there are none.
func (k *Keys) sealer() (sealer, error) {
	under := ""
	for _, key := range k.set.Load().keys {
		if key.State != StateGone && key.Master != "" {
			under = key.Master
		}
	}
	for range 2 {
		for _, s := range *k.sealers.Load() {
			if under == "" || s.master == under {
				return s, nil
			}
		}
		if err := k.readMasters(); err != nil {
			return sealer{}, err
		}
	}
	return sealer{}, fmt.Errorf("the keys are sealed under another master key (%s): %w", under, ErrNoMaster)
}

// sealer seals keys of one installation: AES-256-GCM under HKDF-SHA-256 of the master key, random nonce in front.
type sealer struct {
	aead         cipher.AEAD
	installation string
	master       string // its name
}

func newSealer(m Master, installation string) (sealer, error) {
	if m.key == nil {
		return sealer{}, ErrNoMaster
	}
	key, err := hkdf.Key(sha256.New, m.key(), nil, "symbolon key seal v1", 32)
	if err != nil {
		return sealer{}, fmt.Errorf("deriving the sealing key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, fmt.Errorf("preparing the sealing cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sealer{}, fmt.Errorf("preparing the sealing cipher: %w", err)
	}
	return sealer{aead: aead, installation: installation, master: m.Name()}, nil
}

// place binds a sealed key to where it stands, so that nobody who writes the database can move it elsewhere.
func (s sealer) place(k *Key) []byte {
	return frame(nil, []byte(s.installation), []byte(k.Service), []byte(k.KID), []byte(k.Purpose))
}

func (s sealer) seal(k *Key, plain []byte) []byte { return s.aead.Seal(nil, nil, plain, s.place(k)) }

func (s sealer) open(k *Key) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, k.Sealed, s.place(k))
	if err != nil {
		return nil, ErrUnopenable
	}
	return plain, nil
}

// frame appends each part after its length, so that different lists of parts never give the same bytes.
func frame(dst []byte, parts ...[]byte) []byte {
	for _, part := range parts {
		dst = binary.BigEndian.AppendUint64(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	return dst
}
