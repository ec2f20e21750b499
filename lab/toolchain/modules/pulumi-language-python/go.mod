module oss-nextgen.lab/toolchain/pulumi-language-python

go 1.26

require github.com/pulumi/pulumi/sdk/v3 v3.70.0
