"""The lab's `packer`: builds the product's template, written for the current plugin, with Packer 1.6.6."""
