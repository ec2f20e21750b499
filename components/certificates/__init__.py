"""Certificates from an ACME CA, by DNS-01 on the site's own PowerDNS."""

from components.certificates.resources import AcmeAccount, AcmeAccountArgs, AcmeCertificate, AcmeCertificateArgs

__all__ = ["AcmeAccount", "AcmeAccountArgs", "AcmeCertificate", "AcmeCertificateArgs"]
