// A resource server: check a token of ours (RFC 9068) and its DPoP proof (RFC 9449), with the module go-jose.
package main

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuer   = "http://localhost:8000"
	resource = "http://localhost:9002/dossiers"
	address  = "localhost:9002"
)

// party is a person or an organisation. An employee has the citizen inside the organisation.
type party struct {
	Sub        string `json:"sub"`
	Represents *party `json:"represents"`
}

type tokenClaims struct {
	jwt.Claims
	ClientID     string `json:"client_id"`
	Acr          string `json:"acr"`
	Represents   *party `json:"represents"`
	Confirmation *struct {
		Thumbprint string `json:"jkt"`
	} `json:"cnf"`
	Details []struct {
		Type    string   `json:"type"`
		Actions []string `json:"actions"`
	} `json:"authorization_details"`
}

type proofClaims struct {
	jwt.Claims
	Method    string `json:"htm"`
	URL       string `json:"htu"`
	TokenHash string `json:"ath"`
}

var (
	keys       jose.JSONWebKeySet
	usedProofs sync.Map // in your service: a store that all processes share, with an end for each proof
	errProof   = errors.New("invalid_dpop_proof")
	errToken   = errors.New("invalid_token")
)

// checkToken checks an access token without a request to the issuer.
func checkToken(raw string) (*tokenClaims, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.PS256})
	if err != nil || token.Headers[0].ExtraHeaders["typ"] != "at+jwt" {
		return nil, errToken
	}
	found := keys.Key(token.Headers[0].KeyID)
	claims := &tokenClaims{}
	if len(found) != 1 || token.Claims(found[0].Key, claims) != nil || claims.Expiry == nil || claims.ClientID == "" {
		return nil, errToken
	}
	expected := jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{resource}, Time: time.Now()}
	if claims.ValidateWithLeeway(expected, 10*time.Second) != nil {
		return nil, errToken
	}
	return claims, nil
}

// checkProof checks that the caller has the key of the token.
func checkProof(raw, token, thumbprint string) error {
	proof, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || proof.Headers[0].ExtraHeaders["typ"] != "dpop+jwt" || proof.Headers[0].JSONWebKey == nil {
		return errProof
	}
	key := proof.Headers[0].JSONWebKey
	claims := &proofClaims{}
	digest, err := key.Thumbprint(crypto.SHA256)
	if err != nil || !key.IsPublic() || proof.Claims(key.Key, claims) != nil || claims.IssuedAt == nil {
		return errProof
	}
	hash := sha256.Sum256([]byte(token))
	age := time.Since(claims.IssuedAt.Time()).Abs()
	good := base64.RawURLEncoding.EncodeToString(digest) == thumbprint &&
		claims.Method == http.MethodGet && claims.URL == resource &&
		claims.TokenHash == base64.RawURLEncoding.EncodeToString(hash[:]) &&
		age < time.Minute && claims.ID != ""
	if _, used := usedProofs.LoadOrStore(claims.ID, true); !good || used {
		return errProof
	}
	return nil
}

// describe says who acts, for whom, and what was given. Decide on these three together.
func describe(claims *tokenClaims) map[string]any {
	represents, organisation := claims.Represents, any(nil)
	if represents != nil && represents.Represents != nil {
		organisation, represents = represents.Sub, represents.Represents
	}
	acts := "for himself"
	if represents != nil {
		acts = "for another"
	}
	level := claims.Acr[strings.LastIndex(claims.Acr, "/")+1:]
	return map[string]any{
		"acts": acts, "organisation": organisation, "level": level, "actions": claims.Details[0].Actions,
		"same person": represents != nil && represents.Sub == claims.Subject,
	}
}

func handle(response http.ResponseWriter, request *http.Request) {
	scheme, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	claims, err := checkToken(token)
	if err == nil && claims.Confirmation != nil {
		proofs := request.Header.Values("DPoP")
		if len(proofs) != 1 || scheme != "DPoP" {
			err = errProof
		} else {
			err = checkProof(proofs[0], token, claims.Confirmation.Thumbprint)
		}
	}
	response.Header().Set("Content-Type", "application/json")
	if err != nil {
		response.Header().Set("WWW-Authenticate", fmt.Sprintf("DPoP error=%q", err))
		response.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(response).Encode(describe(claims))
}

func main() {
	// In your service: fetch the keys again, at most once in a minute, when a token has a `kid` that is not there.
	answer, err := http.Get(issuer + "/jwks")
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewDecoder(answer.Body).Decode(&keys); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /dossiers", handle)
	fmt.Println("Listening at", resource)
	log.Fatal(http.ListenAndServe(address, nil))
}
