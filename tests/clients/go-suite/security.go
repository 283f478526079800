package suite

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// Security is the way to the broker, as security.sh describes it.
type Security struct {
	TLS       *tls.Config // nil if there is none
	Mechanism string      // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty without SASL
	Username  string
	Password  string
}

// SecurityOfEnvironment ends the program if a file is not there.
func SecurityOfEnvironment() Security {
	security := Security{Mechanism: os.Getenv("SASL_MECHANISM"),
		Username: os.Getenv("SASL_USERNAME"), Password: os.Getenv("SASL_PASSWORD")}
	if strings.HasSuffix(os.Getenv("SECURITY_PROTOCOL"), "SSL") {
		config, err := tlsConfig()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		security.TLS = config
	}
	return security
}

func tlsConfig() (*tls.Config, error) {
	authority, err := os.ReadFile(os.Getenv("TLS_CA"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	if file := os.Getenv("TLS_CERTIFICATE"); file != "" {
		certificate, err := tls.LoadX509KeyPair(file, os.Getenv("TLS_KEY"))
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}
