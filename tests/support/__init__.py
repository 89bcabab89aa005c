"""What tests share: servers, clients, files, and worlds with a virtual clock."""
